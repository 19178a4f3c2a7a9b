import javax.activation.DataHandler;
import javax.jws.WebMethod;
import javax.jws.WebParam;
import javax.jws.WebResult;
import javax.jws.WebService;
import javax.jws.soap.SOAPBinding;
import javax.xml.bind.annotation.XmlAttachmentRef;
import javax.xml.ws.BindingType;
import javax.xml.ws.Endpoint;
import javax.xml.ws.soap.MTOM;

/** A calculator on JAX-WS: `java Calc URL` publishes it with attachments by reference at URL/swa and by MTOM at URL/mtom. */
public class Calc {
    @SOAPBinding(style = SOAPBinding.Style.RPC)
    @WebService(targetNamespace = "urn:calc", serviceName = "CalcService", portName = "CalcPort")
    public static class Swa {
        @WebMethod
        @WebResult(name = "result")
        public double add(@WebParam(name = "a") double a, @WebParam(name = "b") double b) {
            return a + b;
        }

        @WebMethod
        @WebResult(name = "result")
        public java.math.BigDecimal[] halves(@WebParam(name = "of") java.math.BigDecimal[] of) {
            java.math.BigDecimal[] found = new java.math.BigDecimal[of.length];
            for (int i = 0; i < of.length; i++) found[i] = of[i].divide(java.math.BigDecimal.valueOf(2));
            return found;
        }

        @WebMethod
        @WebResult(name = "photo")
        public Photo mirror(@WebParam(name = "photo") Photo photo) {
            return photo;
        }
    }

    public static class Photo {
        public @XmlAttachmentRef DataHandler content;
        public String name;
    }

    @MTOM(threshold = 10)
    @SOAPBinding(style = SOAPBinding.Style.RPC)
    @WebService(targetNamespace = "urn:calc", serviceName = "CalcService", portName = "CalcPort")
    @BindingType(javax.xml.ws.soap.SOAPBinding.SOAP12HTTP_BINDING)
    public static class Mtom {
        @WebMethod
        @WebResult(name = "photo")
        public byte[] mirror(@WebParam(name = "photo") byte[] photo) {
            return photo;
        }
    }

    public static void main(String[] said) {
        Endpoint.publish(said[0] + "/swa", new Swa());
        Endpoint.publish(said[0] + "/mtom", new Mtom());
        System.out.println("published");
    }
}
