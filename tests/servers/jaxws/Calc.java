import java.io.File;
import java.util.List;
import java.util.Map;
import javax.activation.DataHandler;
import javax.jws.WebMethod;
import javax.jws.WebParam;
import javax.jws.WebResult;
import javax.jws.WebService;
import javax.jws.soap.SOAPBinding;
import javax.xml.bind.annotation.XmlAttachmentRef;
import javax.xml.namespace.QName;
import javax.xml.transform.stream.StreamSource;
import javax.xml.ws.BindingType;
import javax.xml.ws.Endpoint;
import javax.xml.ws.Holder;
import javax.xml.ws.soap.MTOM;

/**
 * A calculator on JAX-WS: `java Calc URL WSDL` publishes it with attachments by reference at URL/swa, by MTOM at URL/mtom, and
 * with parts of WSDL bound to MIME parts at URL/mime.
 */
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

    /** Parts that its WSDL binds to MIME parts (`mime:content`). */
    @SOAPBinding(style = SOAPBinding.Style.RPC)
    @WebService(name = "Mime", targetNamespace = "urn:calc", serviceName = "MimeService", portName = "MimePort")
    public static class Mime {
        @WebMethod
        public void mirror(
                @WebParam(name = "note", partName = "note") String note,
                @WebParam(name = "photo", partName = "photo") DataHandler photo,
                @WebParam(name = "said", partName = "said", mode = WebParam.Mode.OUT) Holder<String> said,
                @WebParam(name = "copy", partName = "copy", mode = WebParam.Mode.OUT) Holder<DataHandler> copy) {
            said.value = note + ": " + photo.getContentType();
            copy.value = photo;
        }
    }

    private static void publishMime(String url, String wsdl) {
        Endpoint endpoint = Endpoint.create(new Mime());
        endpoint.setMetadata(List.of(new StreamSource(new File(wsdl))));
        endpoint.setProperties(Map.of(
                Endpoint.WSDL_SERVICE, new QName("urn:calc", "MimeService"),
                Endpoint.WSDL_PORT, new QName("urn:calc", "MimePort")));
        endpoint.publish(url);
    }

    public static void main(String[] said) {
        Endpoint.publish(said[0] + "/swa", new Swa());
        Endpoint.publish(said[0] + "/mtom", new Mtom());
        publishMime(said[0] + "/mime", said[1]);
        System.out.println("published");
    }
}
